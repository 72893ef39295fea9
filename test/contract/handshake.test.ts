import { describe } from 'vitest';
import { createHandshakes } from '../../shared/adapters/handshake.ts';
import { handshakeContract } from './handshake.ts';

describe('handshakes, over TLS', () => handshakeContract(createHandshakes));
