import domain from 'node:domain';

/**
 * functions-framework opens a `domain` around each HTTP request. A domain switches on hooks for every promise of the process, which
 * costs a reconcile of ten thousand certificates 40 % of its time, and Node has deprecated them since version 4. All a domain would do
 * here is to answer 500 to an error that nobody awaited; without one such an error ends the instance, like every uncaught one.
 * To be imported before the first request.
 */
domain.create = () =>
  ({ on: () => undefined, run: (work: () => unknown) => work() }) as unknown as domain.Domain;
