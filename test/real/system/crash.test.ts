import { ISSUE_CALLS, killedWorkers } from '../../integration/system/killed-workers.ts';

// Every call, reads included: too many for every run of the quick tests.
killedWorkers(ISSUE_CALLS);
