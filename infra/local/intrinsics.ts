import { randomUUID } from 'node:crypto';
import type { Resource, Template } from './assembly.ts';

/** What a resource is called here: its Ref, and its attributes by name. */
export interface Names {
  ref(resource: Resource, logicalId: string): string;
  attribute(resource: Resource, logicalId: string, name: string): string;
}

export const region = 'us-east-1';
export const account = '000000000000';

const pseudo: Readonly<Record<string, string>> = {
  'AWS::Region': region,
  'AWS::AccountId': account,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackId': `arn:aws:cloudformation:${region}:${account}:stack/local/${randomUUID()}`,
};

/** Resolves CloudFormation's functions in a value of one template; what it does not know is an error. */
export type Resolve = (template: Template, value: unknown) => unknown;

export function resolver(templates: readonly Template[], names: Names): Resolve {
  const exports = new Map<string, { template: Template; value: unknown }>();
  const resolve: Resolve = (template, value) => {
    if (Array.isArray(value)) return value.map((item) => resolve(template, item));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    const [first] = entries;
    if (entries.length === 1 && first !== undefined && (first[0] === 'Ref' || first[0].startsWith('Fn::')))
      return call(template, first[0], first[1]);
    return Object.fromEntries(entries.map(([key, item]) => [key, resolve(template, item)]));
  };
  const text = (template: Template, value: unknown): string => String(resolve(template, value));
  const resource = (template: Template, id: string): Resource => {
    const found = template.Resources[id];
    if (found === undefined) throw new Error(`${template.stack}: there is no resource ${id}`);
    return found;
  };
  const call = (template: Template, name: string, argument: unknown): unknown => {
    switch (name) {
      case 'Ref':
        if (argument === 'AWS::StackName') return template.stack;
        return pseudo[String(argument)] ?? names.ref(resource(template, String(argument)), String(argument));
      case 'Fn::GetAtt': {
        const [id, attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split(/\.(.*)/s);
        return names.attribute(resource(template, id ?? ''), id ?? '', attribute ?? '');
      }
      case 'Fn::Join': {
        const [glue, parts] = argument as [string, unknown[]];
        return parts.map((part) => text(template, part)).join(glue);
      }
      case 'Fn::Sub': {
        if (typeof argument !== 'string') throw new Error('Fn::Sub with a map is not known');
        return argument.replace(/\$\{([^}]+)\}/g, (_, id: string) =>
          text(template, id.includes('.') ? { 'Fn::GetAtt': id.split('.') } : { Ref: id }),
        );
      }
      case 'Fn::Select': {
        const [index, list] = argument as [number | string, unknown];
        return (resolve(template, list) as unknown[])[Number(index)];
      }
      case 'Fn::Split': {
        const [glue, source] = argument as [string, unknown];
        return text(template, source).split(glue);
      }
      case 'Fn::ImportValue': {
        const exported = exports.get(text(template, argument));
        if (exported === undefined) throw new Error(`nothing exports ${String(argument)}`);
        return resolve(exported.template, exported.value);
      }
      default:
        throw new Error(`${template.stack}: the function ${name} is not known`);
    }
  };
  for (const template of templates) {
    for (const output of Object.values(template.Outputs ?? {})) {
      if (output.Export !== undefined) exports.set(text(template, output.Export.Name), { template, value: output.Value });
    }
  }
  return resolve;
}
