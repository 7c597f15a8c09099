# The proof that deploys lose nothing, what others lose, and what a switch costs.

DEPLOYS ?= 1000

prove:
	@DEPLOYS=$(DEPLOYS) tests/prove

prove-contrast:
	@DEPLOYS=40 tests/prove --contrast

bench-switch:
	@tests/bench/switch

.PHONY: prove prove-contrast bench-switch
