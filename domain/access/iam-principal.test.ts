import fc from 'fast-check';
import { expect, test } from 'vitest';
import { callingPrincipal, namedPrincipal } from './iam-principal.ts';

const account = '111122223333';

test('whoever has assumed a role is the role, and the session is told apart', () => {
  expect(callingPrincipal(`arn:aws:sts::${account}:assumed-role/deploy/build-7@ci`)).toEqual({
    arn: `arn:aws:iam::${account}:role/deploy`,
    actor: `IAM:${account}:deploy`,
    session: 'build-7@ci',
  });
  expect(callingPrincipal(`arn:aws-us-gov:sts::${account}:assumed-role/deploy/one`)?.arn).toBe(
    `arn:aws-us-gov:iam::${account}:role/deploy`,
  );
});

test('a user is no role of the same name', () => {
  expect(callingPrincipal(`arn:aws:iam::${account}:user/teams/web/deploy`)).toEqual({
    arn: `arn:aws:iam::${account}:user/deploy`,
    actor: `IAM:${account}:user/deploy`,
    session: undefined,
  });
});

test('the path of a role does not tell it from who has assumed it', () => {
  const named = namedPrincipal(`arn:aws:iam::${account}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0123456789abcdef`);
  const calling = callingPrincipal(`arn:aws:sts::${account}:assumed-role/AWSReservedSSO_Ops_0123456789abcdef/ada@example.com`);
  expect(named?.arn).toBe(calling?.arn);
  expect(named?.actor).toBe(calling?.actor);
});

test.each([
  ['a federated user', `arn:aws:sts::${account}:federated-user/ada`],
  ['the root of an account', `arn:aws:iam::${account}:root`],
  ['a role that nobody has assumed', `arn:aws:iam::${account}:role/deploy`],
  ['an assumed role of the wrong service', `arn:aws:iam::${account}:assumed-role/deploy/one`],
  ['a user of the wrong service', `arn:aws:sts::${account}:user/deploy`],
  ['a session without a name', `arn:aws:sts::${account}:assumed-role/deploy`],
  ['a session with a path', `arn:aws:sts::${account}:assumed-role/deploy/one/two`],
  ['a service', 'lambda.amazonaws.com'],
  ['a short account', 'arn:aws:iam::1234:user/deploy'],
  ['two lines', `arn:aws:iam::${account}:user/deploy\n`],
  ['nothing', ''],
  ['no text', undefined],
  ['a list', [`arn:aws:iam::${account}:user/deploy`]],
])('%s calls as nobody', (_, arn) => expect(callingPrincipal(arn)).toBeUndefined());

test.each([
  ['an assumed role', `arn:aws:sts::${account}:assumed-role/deploy/one`],
  ['a group', `arn:aws:iam::${account}:group/ops`],
  ['everybody', '*'],
  ['a role with a wildcard', `arn:aws:iam::${account}:role/*`],
])('%s is named by no mapping', (_, arn) => expect(namedPrincipal(arn)).toBeUndefined());

test('no text, however long, is more than one identity or none', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ maxLength: 2000 }),
        fc.string({ maxLength: 600 }).map((rest) => `arn:aws:iam::${account}:user/${rest}`),
      ),
      (text) => {
        const found = callingPrincipal(text);
        if (found === undefined) return;
        // What was found is found again, and is the same.
        expect(namedPrincipal(found.arn)).toMatchObject({ arn: found.arn, actor: found.actor });
        expect(found.actor).toMatch(/^IAM:\d{12}:(?:user\/)?[\w+=,.@-]{1,64}$/);
      },
    ),
  );
});
