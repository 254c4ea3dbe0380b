// What the rest of Weft uses of match fields.
export { match, type MatchFields } from './build.ts'
export { checkPrerequisites, inconsistentTuple } from './check.ts'
export { formatValue, parseValue } from './format.ts'
export { nxmHeader, oxmHeader, type FieldRef } from './header.ts'
export {
  looseMatchCodec,
  looseNxmList,
  looseOxmList,
  matchCodec,
  nxmEntry,
  nxmList,
  oxmEntry,
  oxmList,
  type FieldEntry,
  type KnownEntry,
  type Match,
  type MatchEntry,
  type UnknownEntry,
} from './match.ts'
export { formatMatch, MatchBuilder, parseMatch } from './match-text.ts'
export { formatPort, formatPort10, parsePort, parsePort10, port10, port11 } from './ports.ts'
export { ETH_TYPE, IP_PROTO } from './protocols.ts'
export {
  fieldByText,
  formatSubfield,
  parseSubfield,
  parseSubfieldPrefix,
  wholeField,
  type Subfield,
} from './subfield.ts'
export { fieldByHeader, fieldByName, fieldOf, fields, type Field, type FieldName, type ValueOf } from './table.ts'
