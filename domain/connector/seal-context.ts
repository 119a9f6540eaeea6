/** The seal's context of a key that the connector made. */
export function connectorKeyContext(id: string): string {
  return `connector:key:${id}`;
}

/** The seal's context of a channel's secret: the connector's role opens nothing else. */
export function channelSecretContext(channelId: string): string {
  return `connector:channel:${channelId}`;
}
