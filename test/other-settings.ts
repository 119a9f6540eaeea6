/** A region whose AWS Certificate Manager the connector may import certificates into. */
export const region = 'eu-central-1';

/** Arguments of a platform with what the defaults leave out. One for all tests that need any of it: each set of settings is synthesized for itself. */
export const otherSettings: readonly string[] = [
  '--config',
  JSON.stringify({ certificateManagerRegions: [region], iamCallers: true, agents: { pollSeconds: 1, heartbeatSeconds: 2 } }),
];
