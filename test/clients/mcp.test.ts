import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, root, startPlatform, type Platform } from '../platform.ts';

let platform: Platform;
const clients: Client[] = [];
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await platform.stop();
});

/** The real client of the protocol, over the program's standard input and output. */
async function connect(token: string, ...args: string[]): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [join(root, 'clients/mcp/certctl-mcp.mjs'), ...args],
      env: {
        PATH: process.env['PATH'] ?? '',
        CERTCTL_SERVER: platform.url,
        CERTCTL_CA_FILE: join(platform.home, 'ca.pem'),
        CERTCTL_TOKEN: token,
      },
    }),
  );
  clients.push(client);
  return client;
}

const ask = async (client: Client, name: string, given: Record<string, unknown> = {}): Promise<{ error: boolean; text: string }> => {
  const result = (await client.callTool({ name, arguments: given })) as CallToolResult;
  return { error: result.isError === true, text: result.content.map((part) => (part.type === 'text' ? part.text : '')).join('') };
};

test('tools say what they change, and none makes or hands out secrets', async () => {
  const { tools } = await (await connect(platform.token)).listTools();
  const named = new Map(tools.map((tool) => [tool.name, tool]));
  expect(named.get('certctl_list_certificates')?.annotations).toMatchObject({ readOnlyHint: true });
  expect(named.get('certctl_archive_certificate')?.annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true });
  expect(named.get('certctl_renew_certificate')?.inputSchema.required).toEqual(['id']);
  const aboutSecrets = [...named.keys()].filter((name) => /api_key|grant|role$|eab_key$|channel$/.test(name));
  expect(aboutSecrets.filter((name) => !/^certctl_(?:get|list|disable|enable)_/.test(name))).toEqual([]);
});

test('a tool answers as data, fenced, and a refusal is an error that says why', async () => {
  const client = await connect(platform.token);
  const profiles = await ask(client, 'certctl_list_profiles');
  expect([profiles.error, profiles.text]).toEqual([
    false,
    expect.stringMatching(/^<untrusted-data>\n[^]*"internal"[^]*\n<\/untrusted-data>$/),
  ]);
  expect(await ask(client, 'certctl_get_certificate', { id: 'mc-nothing' })).toEqual({
    error: true,
    text: 'notFound: no such certificate',
  });
  expect(await ask(client, 'certctl_get_certificate', { id: 'nonsense' })).toEqual({
    error: true,
    text: expect.stringContaining('id:') as string,
  });
  expect(await ask(client, 'certctl_list_jobs', { colour: 'green' })).toEqual({ error: true, text: 'Unrecognized key: "colour"' });
  expect((await ask(client, 'certctl_create_api_key', { name: 'x' })).text).toContain('there is no tool');
});

test('a key has the same rights through a tool as anywhere, and a reading server offers nothing else', async () => {
  const made = await api(platform, 'POST', '/api/v1/auth/keys', { name: 'model', roles: [{ role: 'r-viewer' }] });
  const { token } = made.json() as { token: string };
  const viewer = await connect(token);
  expect((await ask(viewer, 'certctl_run_loop', { name: 'jobProcessor' })).text).toBe(
    'unauthorized: the permission scheduler.run is missing',
  );
  const reading = await connect(platform.token, '--read-only');
  expect((await reading.listTools()).tools.filter((tool) => tool.annotations?.readOnlyHint !== true)).toEqual([]);
  expect((await ask(reading, 'certctl_run_loop', { name: 'jobProcessor' })).text).toContain('only reads');
});
