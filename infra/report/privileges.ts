import type { Templates } from './cost.ts';

/** What one function may do. */
export interface Privilege {
  readonly function: string;
  readonly action: string;
  /** In the words of the template: a logical id, with what follows it. */
  readonly resource: string;
  readonly condition: string;
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: object;
}
type Found = { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> };

/** Every action that the policies of the functions' roles allow, by function; from the templates, so that nothing is left out. */
export function privileges(templates: Templates): readonly Privilege[] {
  const resources = Object.assign({}, ...templates.map((template) => template.Resources ?? {})) as Readonly<Record<string, Found>>;
  const of = (type: string): readonly (readonly [string, Readonly<Record<string, unknown>>])[] =>
    Object.entries(resources).flatMap(([id, found]) => (found.Type === type ? [[id, found.Properties ?? {}] as const] : []));
  const statements = (role: string): readonly Statement[] =>
    of('AWS::IAM::Policy')
      .filter(([, policy]) => JSON.stringify(policy['Roles']).includes(`"${role}"`))
      .flatMap(([, policy]) => (policy['PolicyDocument'] as { Statement: Statement[] }).Statement);
  const managed = (role: string): readonly Privilege[] | undefined =>
    ((resources[role]?.Properties?.['ManagedPolicyArns'] as unknown[] | undefined) ?? []).length > 0 ? [] : undefined;
  const found = of('AWS::Lambda::Function').flatMap(([id, fn]) => {
    const name = (fn['Environment'] as { Variables?: Record<string, unknown> } | undefined)?.Variables?.['CERTCTL_FUNCTION'];
    const role = (fn['Role'] as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0];
    if (managed(role) !== undefined) throw new Error(`the role of ${id} has a policy of Amazon's, which this table cannot show`);
    return statements(role).flatMap((statement) => {
      if (statement.Effect !== 'Allow') throw new Error(`${id} has a statement that is no Allow`);
      return [statement.Action].flat().flatMap((action) =>
        [statement.Resource].flat().map((resource) => ({
          function: typeof name === 'string' ? name : id,
          action,
          resource: described(resource),
          condition: statement.Condition === undefined ? '' : JSON.stringify(statement.Condition),
        })),
      );
    });
  });
  return found.toSorted((a, b) => key(a).localeCompare(key(b)));
}

function key({ function: name, action, resource }: Privilege): string {
  return `${name} ${action} ${resource}`;
}

/** A reference by the name of what it leads to, without CDK's hashes. */
function described(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[kind, argument] = ['', ''] as const] = Object.entries(value as Record<string, unknown>);
  switch (kind) {
    case 'Ref':
      return bare(String(argument));
    case 'Fn::GetAtt':
      return bare((argument as [string, string])[0]);
    case 'Fn::ImportValue':
      return exported(typeof argument === 'string' ? argument : described(argument));
    case 'Fn::Join':
      return (argument as [string, unknown[]])[1].map((part) => described(part)).join('');
    default:
      throw new Error(`the table cannot show ${JSON.stringify(value)}`);
  }
}

/** CertctlData:ExportsOutputFnGetAttState1C20CC9AArnF70626CA is the State of the data stack. */
function exported(name: string): string {
  const [, id = name] = /(?:FnGetAtt|Ref)([A-Za-z]+?)[0-9A-F]{8}/.exec(name) ?? [];
  return id;
}

function bare(id: string): string {
  return id.startsWith('AWS::') ? `<${id.slice(5)}>` : id.replace(/[0-9A-F]{8}$/, '');
}
