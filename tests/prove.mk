# The proof that deploys lose nothing, what others lose, what a switch costs, and what the road to an app carries.

DEPLOYS ?= 1000

prove:
	@DEPLOYS=$(DEPLOYS) tests/prove

prove-contrast:
	@DEPLOYS=40 tests/prove --contrast

prove-sustained:
	@tests/sustained

bench-sustained:
	@tests/sustained --full

bench-switch:
	@tests/bench/switch

bench-road:
	@tests/bench/road

.PHONY: prove prove-contrast prove-sustained bench-sustained bench-switch bench-road
