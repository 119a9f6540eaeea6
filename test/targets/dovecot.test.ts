import { deploysAndRenews, tenCases } from './cases.ts';
import { startDovecot } from './dovecot-server.ts';

tenCases('Dovecot over IMAP', () => startDovecot());
deploysAndRenews('Dovecot over POP3', () => startDovecot('pop3'));
