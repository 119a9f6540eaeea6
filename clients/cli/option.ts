import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import { UsageError } from '../http/usage-error.ts';

export type Shape = Readonly<Record<string, unknown>>;

interface Known {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly default?: unknown;
}

/** The option of one member of a body or query, by its JSON Schema; `snake_case` becomes `--kebab-case`. */
export function optionOf(name: string, shape: Shape, required: boolean): Option {
  const { type, enum: choices, items, default: standard } = known(shape);
  const flag = `--${name.replaceAll('_', '-')}`;
  const kind =
    type === 'boolean'
      ? '[true|false]'
      : type === 'integer' || type === 'number'
        ? '<number>'
        : type === 'array'
          ? '<value...>'
          : type === 'object'
            ? '<json>'
            : '<value>';
  const structured = type === 'array' && known(items ?? {}).type === 'object';
  const parts = [
    typeof shape['description'] === 'string' ? shape['description'] : '',
    structured ? `(each like ${JSON.stringify(exampleOf(items ?? {}))})` : '',
    required ? '(needed)' : '',
    standard === undefined || standard === null || standard === ''
      ? ''
      : `(default: ${typeof standard === 'string' ? standard : JSON.stringify(standard)})`,
  ];
  const option = new Option(`${flag} ${kind}`, parts.filter((part) => part !== '').join(' '));
  if (required) option.makeOptionMandatory();
  if (choices !== undefined) option.choices(choices);
  return option;
}

/** What the command line said, as the contract wants it. `@file` and `@-` stand for the contents of a file and of standard input. */
export function valueOf(shape: Shape, said: unknown): unknown {
  const { type, items } = known(shape);
  if (Array.isArray(said)) return said.map((one) => valueOf(items ?? {}, one));
  if (type === 'boolean') return said === true || said === 'true' ? true : said === 'false' ? false : said;
  if (typeof said !== 'string') return said;
  if (said === 'null') return null;
  if (type === 'integer' || type === 'number') return Number(said);
  const text = said.startsWith('@') ? read(said.slice(1)) : said;
  if (type !== 'object') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(`${JSON.stringify(text.slice(0, 60))} is no JSON`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Looks through `null` alternatives to what there is besides. */
function known(shape: Shape): Known {
  const { anyOf, ...rest } = shape as Known;
  const other = anyOf?.find((one) => (one as Known).type !== 'null') as Known | undefined;
  return other === undefined ? rest : { ...known(other as Shape), ...(rest.default !== undefined && { default: rest.default }) };
}

function exampleOf(shape: Shape): unknown {
  const { properties = {}, required = [] } = shape as { properties?: Record<string, Known>; required?: string[] };
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => required.includes(name))
      .map(([name, one]) => [name, one.enum?.[0] ?? '…']),
  );
}
