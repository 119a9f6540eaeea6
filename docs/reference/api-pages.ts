import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApi } from '#contract/openapi.ts';
import { routes } from '#contract/routes.ts';
import { permissions, permissionTexts } from '#domain/access/permission.ts';
import { roles } from '#domain/access/role.ts';
import { format } from 'prettier';

// `node docs/reference/api-pages.ts` writes the pages that the contract makes: the OpenAPI document, and who may do what.

const here = import.meta.dirname;
const { version } = JSON.parse(readFileSync(join(here, '../../package.json'), 'utf8')) as { version: string };

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function permissionPage(): string {
  const short = roles.map(({ id }) => `\`${id}\``);
  const held = permissions.map((permission) => [
    `\`${permission}\``,
    permissionTexts[permission],
    ...roles.map(({ holds }) => (holds.has(permission) ? '✓' : '')),
  ]);
  const gates = routes.map(({ route }) => [
    `${route.method} \`${route.path}\``,
    route.permission === 'public' || route.permission === 'authenticated' ? route.permission : `\`${route.permission}\``,
    route.scope === 'rows' ? 'yes' : '',
    `\`${route.command}\``,
    route.summary,
  ]);
  return `# Who may do what

For who hands out keys. Made from the contract and the catalogue by \`docs/reference/api-pages.ts\`; what it means is in [access](../operator/access.md).

## Roles

${table(
  ['role', 'in short'],
  roles.map(({ id, summary }) => [`\`${id}\``, summary]),
)}

## Permissions

${table(['permission', 'allows to', ...short], held)}

## Routes

A scoped grant suffices where the third column says so: for what belongs to its profile or issuer.

${table(['route', 'permission', 'scoped', 'command', 'what'], gates)}
`;
}

/** Each page by its file, as it should be. */
export async function apiPages(): Promise<Readonly<Record<string, string>>> {
  return {
    [join(here, 'openapi.json')]: await format(JSON.stringify(openApi(version)), { parser: 'json', printWidth: 140 }),
    [join(here, 'permissions.md')]: await format(permissionPage(), { parser: 'markdown', printWidth: 140 }),
  };
}

if (import.meta.main) for (const [file, text] of Object.entries(await apiPages())) writeFileSync(file, text);
