import { ISSUE_CALLS, killedWorkers } from '../../integration/system/killed-workers.ts';
import { deathsAt } from '../../integration/system/mortal.ts';

// Every call, reads included, and both sides of each: too many for every run of the quick tests.
killedWorkers(deathsAt(ISSUE_CALLS));
