# The wrong-app guard, in a world of its own.

ROUNDS = 200

wrong-app:
	@ROUNDS=$(ROUNDS) tests/wrong-app

.PHONY: wrong-app
