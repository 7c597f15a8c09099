# Turns the rows of storage_rows into the JSON that storage:list prints.
[split("\n")[] | select(. != "") | split("\u001f")
	| { entry_name: .[0], host_path: .[1], container_path: .[2], phases: (.[3] | split(",")), process_type: .[4] }
	+ (if .[5] != "" then { subpath: .[5] } else {} end)
	+ (if .[6] == "true" then { readonly: true } else {} end)
	+ (if .[7] != "" then { volume_options: .[7] } else {} end)]
