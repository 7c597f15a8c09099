/* How check-runner ends. The numbers are documented in check-runner(1). */
#ifndef CHECK_RUNNER_STATUS_H
#define CHECK_RUNNER_STATUS_H

enum exit_status {
	EXIT_PASS = 0,
	EXIT_FAIL = 1,
	EXIT_MISUSE = 2,
	EXIT_PROCESS_GONE = 3,
	EXIT_NEVER_ANSWERED = 4,
	EXIT_INTERNAL = 5,
};

#endif
