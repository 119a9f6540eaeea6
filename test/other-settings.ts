/** A region whose AWS Certificate Manager the connector may import certificates into. */
export const region = 'eu-central-1';

/** A role of another account that the connector may assume for it. */
export const role = 'arn:aws:iam::111122223333:role/certctl';

/** Arguments of a platform with what the defaults leave out. One for all tests that need any of it: each set of settings is synthesized for itself. */
export const otherSettings: readonly string[] = [
  '--config',
  JSON.stringify({
    certificateManagerRegions: [region],
    certificateManagerRoles: [role],
    iamCallers: true,
    agents: { pollSeconds: 1, heartbeatSeconds: 2 },
  }),
];
