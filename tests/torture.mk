# The sweep of tests/torture, short form: make torture SAMPLE=0 takes hours.
SAMPLE = 60

build/tests/e2e/strike: tests/e2e/strike.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -static $(CFLAGS) -o $@ $<

torture: build/tests/e2e/strike build/tests/load/load build/tests/apps/web
	tests/torture --sample $(SAMPLE)

.PHONY: torture
