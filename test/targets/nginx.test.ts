import { deploysAndRenews, tenCases } from './cases.ts';
import { startNginx } from './nginx-server.ts';

tenCases('nginx with two files', () => startNginx());
deploysAndRenews('nginx with one file', () => startNginx('one file'));
