import { createPki } from '../../shared/adapters/x509.ts';
import { pkiContract } from './pki.ts';

pkiContract("Node's own X.509", createPki);
