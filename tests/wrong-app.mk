# The wrong-app guard, in a world that has dokku in it: PARTS="make-world install" KEEP_WORLD=1
# DOKKU_TEST_WORLD=wrong-app tests/run makes one.

ROUNDS = 200

wrong-app:
	@ROUNDS=$(ROUNDS) tests/wrong-app

.PHONY: wrong-app
