# The proof that deploys lose nothing, what others lose, and what a switch costs.

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

.PHONY: prove prove-contrast prove-sustained bench-sustained bench-switch
