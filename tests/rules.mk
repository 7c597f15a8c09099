# The whole test run; each part can be run by itself.

BATS = bats --print-output-on-failure

check: check-c check-check-runner
	tests/lint

test:
	@tests/run

# Many deploys at once, kills of everything, full disks, and what many deploys leave behind. These
# take too long for `make test`.
survive:
	@PARTS="make-second-world concurrency kills rename disk growth" tests/run

# Every kind of host, each in a machine of its own: half an hour.
hosts:
	$(BATS) tests/e2e/hosts

.PHONY: check test survive hosts
