import document from '../../docs/reference/openapi.json' with { type: 'json' };

/** The description of the control plane as it was generated. */
export const openapiDocument: object = document;
