import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { connect } from '../http/settings.ts';
import { UsageError } from '../http/usage-error.ts';
import { mcpServer } from './server.ts';

const help = `certctl-mcp speaks the Model Context Protocol over standard input and output.

  --read-only           offer only tools that change nothing
  --server <url>        https address of the platform (CERTCTL_SERVER)
  --token-file <file>   file with the API key (or CERTCTL_TOKEN); give it the role r-mcp or less
  --ca-file <file>      PEM file of authorities to trust besides the system's (CERTCTL_CA_FILE)
  --connection <name>   saved with certctl configure (CERTCTL_CONNECTION)
`;

try {
  const { values } = parseArgs({
    options: {
      'read-only': { type: 'boolean', default: false },
      server: { type: 'string' },
      'token-file': { type: 'string' },
      'ca-file': { type: 'string' },
      connection: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
  } else {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string };
    const { server, 'token-file': tokenFile, 'ca-file': caFile, connection } = values;
    const given = {
      ...(server && { server }),
      ...(tokenFile && { tokenFile }),
      ...(caFile && { caFile }),
      ...(connection && { connection }),
    };
    await mcpServer(connect(given, process.env), { readOnly: values['read-only'], release: version }).connect(new StdioServerTransport());
  }
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  // Standard output belongs to the protocol.
  console.error(`certctl-mcp: ${message}`);
  process.exitCode = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}
