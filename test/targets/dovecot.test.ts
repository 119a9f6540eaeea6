import { tenCases } from './cases.ts';
import { startDovecot } from './dovecot-server.ts';

tenCases('Dovecot over IMAP', () => startDovecot());
tenCases('Dovecot over POP3', () => startDovecot('pop3'));
