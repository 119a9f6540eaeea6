/** Kinds of keys that are made for a certificate by whoever deploys it. */
export const agentKeyAlgorithms = ['ECDSA-P256', 'ECDSA-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const;
export type AgentKeyAlgorithm = (typeof agentKeyAlgorithms)[number];
