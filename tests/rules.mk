# The whole test run; each part can be run by itself.

BATS = bats --print-output-on-failure

check: check-check-runner
	tests/lint

test:
	@tests/run

# Kills of everything, full disks, and what many deploys leave: too long for each run of the tests.
survive:
	@PARTS="make-second-world kills disk growth" tests/run

.PHONY: check test survive
