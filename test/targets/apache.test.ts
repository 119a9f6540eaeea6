import { deploysAndRenews, tenCases } from './cases.ts';
import { startApache } from './apache-server.ts';

tenCases('Apache with the chain in the certificate file', () => startApache());
deploysAndRenews('Apache with a chain file', () => startApache('chain file'));
deploysAndRenews('Apache with one file', () => startApache('one file'));
