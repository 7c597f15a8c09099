# The proof that deploys lose nothing, what others lose, what a switch costs, and what the road to an app carries.

DEPLOYS ?= 1000

prove:
	@tests/packages pictures
	@DEPLOYS=$(DEPLOYS) tests/prove

prove-contrast:
	@tests/packages pictures
	@DEPLOYS=40 tests/prove --contrast

prove-sustained:
	@tests/packages pictures
	@tests/sustained

bench-sustained:
	@tests/sustained --full

bench-switch:
	@tests/bench/switch

bench-push:
	@tests/bench/push

bench-commands:
	@tests/bench/commands

bench-road:
	@tests/packages pictures
	@tests/bench/road

.PHONY: prove prove-contrast prove-sustained bench-sustained bench-switch bench-commands bench-push bench-road
