// A forbidden import. `npm run check` lints this file expecting a refusal: it proves that the folder rules bite.
export * from '../../../ovsdb/anything.ts'
