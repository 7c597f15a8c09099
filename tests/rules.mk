# The whole test run; each part can be run by itself.

BATS = bats --print-output-on-failure

check: check-check-runner
	tests/lint

test:
	@tests/run

.PHONY: check test
