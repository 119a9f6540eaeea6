import { describe } from 'vitest';
import { deploysAndRenews, tenCases } from './cases.ts';
import { startPostfix } from './postfix-server.ts';

// Postfix's master refuses every account but root's.
describe.skipIf(process.getuid?.() !== 0)('as root', () => {
  tenCases('Postfix with two files', () => startPostfix());
  deploysAndRenews('Postfix with one file', () => startPostfix('one file'));
});
