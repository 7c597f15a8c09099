# The model of the deploy automaton, every state of it.

build/tests/model/model: tests/model/model.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -Wall -Wextra -Wpedantic -Wshadow $(CFLAGS) -o $@ $<

model: build/tests/model/model
	tests/model/run

.PHONY: model
