import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Option } from 'commander';
import { format } from 'prettier';
import { exitCodes, makeProgram } from '../../clients/cli/program.ts';
import { toolOf, toolRoutes } from '../../clients/mcp/server.ts';

// `node docs/reference/client-pages.ts` writes the reference of the command line and of the MCP server.

const here = import.meta.dirname;

function cliPage(): string {
  const program = makeProgram({ width: Infinity, env: {}, out: () => undefined, err: () => undefined });
  const all = program.commands.flatMap((command) => (command.commands.length === 0 ? [command] : command.commands));
  const sections = all.map((command) => {
    const parent = command.parent === program ? '' : `${command.parent?.name() ?? ''} `;
    const args = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`));
    const options = command.options.map((option) => `| \`${inCell(option.flags)}\` | ${option.mandatory ? 'yes' : ''} | ${descriptionOf(option)} |`);
    return `### certctl ${parent}${command.name()}\n\n\`certctl ${[parent.trim(), command.name(), ...args].filter((word) => word !== '').join(' ')}${options.length === 0 ? '' : ' [options]'}\`\n\n${command.description()}.\n${
      options.length === 0 ? '' : `\n| option | needed | |\n| --- | --- | --- |\n${options.join('\n')}\n`
    }`;
  });
  return `# Command line

For who works in a shell. \`npx certctl\` in a clone; \`npx certctl --help\` says the same as this page, which is made by \`docs/reference/client-pages.ts\`.

${program.options.map((option) => `- \`${option.flags}\`: ${option.description}`).join('\n')}

The command line wins over the environment, the environment over a saved connection, the connection over a platform that \`npm start\` runs in this folder. An option's value \`@file\` is the contents
of a file, \`@-\` of standard input. \`--wait\` follows a job to its end.

| exit code | |
| --- | --- |
${Object.entries(exitCodes)
  .map(([code, text]) => `| ${code} | ${text} |`)
  .join('\n')}

Completion: \`source <(npx certctl completion bash)\`, likewise for zsh and fish.

## Commands

${sections.join('\n')}`;
}

function descriptionOf({ description, argChoices }: Option): string {
  const choices = argChoices === undefined ? '' : ` (one of ${argChoices.join(', ')})`;
  return inCell(`${description.replace(' (needed)', '')}${choices}`.trim());
}

function inCell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function mcpPage(): string {
  const tools = [...toolRoutes({ readOnly: false })].map(([name, route]) => ({ route, tool: toolOf(name, route) }));
  return `# MCP server

For who lets a model look after certificates. \`npx certctl-mcp\` speaks the Model Context Protocol over standard input and output, and calls the platform with the key that it is given; see
[access](../operator/access.md). In a client's configuration:

\`\`\`json
{
  "mcpServers": {
    "certctl": {
      "command": "npx",
      "args": ["certctl-mcp", "--read-only"],
      "env": { "CERTCTL_SERVER": "https://localhost:8443", "CERTCTL_CA_FILE": ".certctl/ca.pem", "CERTCTL_TOKEN": "ck_…" }
    }
  }
}
\`\`\`

Answers are fenced as data: names and messages in them come from strangers. \`--read-only\` leaves out whatever changes something. What makes or hands out secrets is no tool. Made by
\`docs/reference/client-pages.ts\`.

| tool | changes | needs | what |
| --- | --- | --- | --- |
${tools
  .map(({ route, tool }) => `| \`${tool.name}\` | ${tool.annotations?.readOnlyHint === true ? '' : tool.annotations?.destructiveHint === true ? 'yes, and takes away' : 'yes'} | ${route.permission} | ${route.summary} |`)
  .join('\n')}
`;
}

/** Each page by its file, as it should be. */
export async function clientPages(): Promise<Readonly<Record<string, string>>> {
  const written = (text: string): Promise<string> => format(text, { parser: 'markdown', printWidth: 140 });
  return { [join(here, 'cli.md')]: await written(cliPage()), [join(here, 'mcp.md')]: await written(mcpPage()) };
}

if (import.meta.main) for (const [file, text] of Object.entries(await clientPages())) writeFileSync(file, text);
