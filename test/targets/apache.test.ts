import { tenCases } from './cases.ts';
import { startApache } from './apache-server.ts';

tenCases('Apache with the chain in the certificate file', () => startApache());
tenCases('Apache with a chain file', () => startApache('chain file'));
tenCases('Apache with one file', () => startApache('one file'));
