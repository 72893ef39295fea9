import { AFTER_CHANGES, killedWorkers } from './killed-workers.ts';

// After each change that a worker makes; every call of worker, sync and reconcile is for the tests on real parts.
killedWorkers(AFTER_CHANGES);
