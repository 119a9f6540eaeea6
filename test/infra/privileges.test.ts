import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readConfig } from '#infra/config.ts';
import { functionSpecs } from '#infra/functions.ts';
import { privileges } from '#infra/report/privileges.ts';
import { templatesOf } from '#infra/report/templates.ts';
import { privilegePage, withTable } from '../../docs/reference/privilege-table.ts';

test('the page of privileges is the template’s; `node docs/reference/privilege-table.ts` writes it', async () => {
  const page = readFileSync(privilegePage, 'utf8');
  expect(page).toBe(await withTable(page));
}, 60_000);

test('each function has privileges of its own, and those of the prober end with its log group', async () => {
  const all = privileges(await templatesOf(readConfig({})));
  expect([...new Set(all.map((one) => one.function))].sort()).toEqual(functionSpecs.map((spec) => spec.name).sort());
  expect(all.filter((one) => one.function === 'prober').map(({ action, resource }) => [action, resource])).toEqual([
    ['logs:CreateLogStream', 'ProberLog'],
    ['logs:PutLogEvents', 'ProberLog'],
  ]);
  // Nobody but migrations reads the owner's secret; nobody deletes but messages that are done with, and Lambda its interfaces.
  expect(all.filter((one) => one.action.startsWith('secretsmanager:')).map((one) => one.function)).toEqual(['migrate', 'migrate']);
  expect(new Set(all.map((one) => one.action).filter((action) => action.includes(':Delete')))).toEqual(
    new Set(['ec2:DeleteNetworkInterface', 'sqs:DeleteMessage']),
  );
}, 60_000);

test('the worker opens the keys of CAs, and nothing that was sealed for the connector', async () => {
  const opens = privileges(await templatesOf(readConfig({}))).filter((one) => one.function === 'worker' && one.action === 'kms:Decrypt');
  expect(opens.map(({ condition }) => condition)).toEqual(['{"StringLike":{"kms:EncryptionContext:certctl":["ca-key:*"]}}']);
}, 60_000);

test('given regions, the connector may import what carries the tag of a target, there and nowhere else; without them nothing of ACM', async () => {
  const granted = async (config: object): Promise<readonly string[]> =>
    privileges(await templatesOf(readConfig(config)))
      .filter((one) => one.action.startsWith('acm:') || (one.function === 'connector' && one.action === 'kms:Encrypt'))
      .map((one) => [one.function, one.action, one.resource, one.condition].join(' ').trim());
  expect(await granted({})).toEqual([]);
  const all = await granted({ certificateManagerRegions: ['eu-central-1'] });
  const tagged = (key: string): string => `{"StringLike":{"${key}/certctl:target":"tgt-*"}}`;
  const expected = [
    ['AddTagsToCertificate', 'certificate/*', tagged('aws:RequestTag')],
    ['DescribeCertificate', 'certificate/*', tagged('aws:ResourceTag')],
    ['GetCertificate', 'certificate/*', tagged('aws:ResourceTag')],
    ['ImportCertificate', 'certificate/*', tagged('aws:RequestTag')],
    ['ImportCertificate', 'certificate/*', tagged('aws:ResourceTag')],
    ['ListCertificates', '*', ''],
    ['ListTagsForCertificate', 'certificate/*', ''],
  ];
  // And what seals the keys that it makes, for nothing else.
  const seals = '{"StringLike":{"kms:EncryptionContext:certctl":["connector:key:*"]}}';
  expect(all.filter((one) => one.includes('kms:'))).toEqual([expect.stringContaining(seals)]);
  expect(all).toHaveLength(expected.length + 1);
  for (const [action = '', resource = '', condition = ''] of expected)
    expect(all).toContainEqual(expect.stringMatching(pattern(`connector acm:${action} `, resource, condition)) as unknown);
}, 60_000);

test('given roles, the connector may assume exactly those, and nobody else any', async () => {
  const assumed = async (config: object): Promise<readonly string[]> =>
    privileges(await templatesOf(readConfig(config)))
      .filter((one) => one.action.startsWith('sts:'))
      .map((one) => [one.function, one.action, one.resource].join(' '));
  const roles = ['arn:aws:iam::111122223333:role/certctl', 'arn:aws:iam::444455556666:role/tls/certctl'];
  expect(await assumed({ certificateManagerRegions: ['eu-central-1'] })).toEqual([]);
  expect((await assumed({ certificateManagerRegions: ['eu-central-1'], certificateManagerRoles: roles })).toSorted()).toEqual(
    roles.map((role) => `connector sts:AssumeRole ${role}`),
  );
}, 60_000);

function pattern(begin: string, resource: string, condition: string): RegExp {
  const plain = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const place = resource === '*' ? '\\*' : `\\S*acm:eu-central-1:\\S*${plain(resource)}`;
  return new RegExp(`^${plain(begin)}${place}${condition === '' ? '' : ` ${plain(condition)}`}$`);
}

test('a policy that the table cannot show is an error, not a gap', () => {
  const role = { Type: 'AWS::IAM::Role', Properties: { ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess'] } };
  const fn = { Type: 'AWS::Lambda::Function', Properties: { Role: { 'Fn::GetAtt': ['Role', 'Arn'] } } };
  expect(() => privileges([{ Resources: { Role: role, Fn: fn } }])).toThrow(/a policy of Amazon's/);
});
