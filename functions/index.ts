import './no-domains.ts';
import { http } from '@google-cloud/functions-framework';
import { configFromEnvironment } from '../shared/config.ts';
import { apiFunction } from './api.ts';
import {
  apiDependencies,
  issueDependencies,
  reconcileDependencies,
  syncDependencies,
} from './dependencies.ts';
import { issueFunction } from './issue.ts';
import { leaveBodiesRaw } from './raw-bodies.ts';
import { reconcileFunction } from './reconcile.ts';
import { syncFunction } from './sync.ts';

const config = configFromEnvironment();

leaveBodiesRaw();

http('reconcile', reconcileFunction(reconcileDependencies(config)));
http('issue', issueFunction(issueDependencies(config)));
http('sync', syncFunction(syncDependencies(config)));
http('api', apiFunction(apiDependencies(config)));
