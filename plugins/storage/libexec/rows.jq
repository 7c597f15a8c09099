# Prints the attachments of an app as rows, see storage_rows. The input has all entries, and $places
# has the attachments.
(map({ key: .name, value: . }) | from_entries) as $entries
| $places[]
| $entries[.entry_name] as $entry
| if $entry == null then ["missing", .entry_name]
else [.entry_name, $entry.host_path // .entry_name, .container_path, (.phases // ["deploy", "run"] | join(",")),
	.process_type // "_default_", .subpath // "", (.readonly // false | tostring), .volume_options // "",
	.volume_chown // ""] end
| join("\u001f")
