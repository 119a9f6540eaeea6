/** A deployed file and its SHA-256, hex. */
export interface Subject {
  readonly name: string;
  readonly sha256: string;
}

export interface Origin {
  /** Of the commit, hex. */
  readonly commit: string;
  readonly lockSha256: string;
  /** Of Node, as `process.version` says it. */
  readonly node: string;
  readonly committedAt: string;
  /** Who built it: what a continuous build calls itself, or this machine. */
  readonly builder: string;
}

/** How the files came to be (in-toto Statement v1 with SLSA Provenance v1). It is a claim until somebody signs it. */
export function provenance(subjects: readonly Subject[], origin: Origin): object {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:certctl:release:1',
        externalParameters: { command: 'npm ci && npm run release' },
        resolvedDependencies: [
          { name: 'source', digest: { gitCommit: origin.commit } },
          { name: 'package-lock.json', digest: { sha256: origin.lockSha256 } },
          { name: 'node', annotations: { version: origin.node } },
        ],
      },
      runDetails: { builder: { id: origin.builder }, metadata: { startedOn: origin.committedAt } },
    },
  };
}
