// The types of attributes: each parses a JSON value into its canonical form or throws an InvalidValue with the reason,
// reads the text form of a query, and describes itself to OpenAPI. Attribute tables are written with them.
import { formatCidr, formatIp, isMulticastMac, parseCidr, parseIp, parseMac } from './address.ts'

export class InvalidValue extends Error {}

export interface AttributeType {
  parse(value: unknown): unknown
  /** From a query's text; by default `parse`. */
  readonly fromText?: (text: string) => unknown
  readonly schema: object
}

const fail = (reason: string): never => {
  throw new InvalidValue(reason)
}
const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))

export function text(maximumLength = 255): AttributeType {
  return {
    schema: { type: 'string', maxLength: maximumLength },
    parse(value) {
      if (typeof value !== 'string') return fail(`${show(value)} is not a valid string`)
      if (value.length > maximumLength) return fail(`${show(value)} exceeds maximum length of ${maximumLength}`)
      return value
    },
  }
}

export const boolean: AttributeType = {
  schema: { type: 'boolean' },
  parse(value) {
    if (typeof value === 'boolean') return value
    const word = String(value).toLowerCase()
    if (word === 'true' || value === 1 || value === '1') return true
    if (word === 'false' || value === 0 || value === '0') return false
    return fail(`${show(value)} is not a valid boolean value`)
  },
}

export function integer(minimum: number, maximum: number): AttributeType {
  return {
    schema: { type: 'integer', minimum, maximum },
    parse(value) {
      const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
      if (typeof number !== 'number' || !Number.isInteger(number)) return fail(`${show(value)} is not an integer`)
      if (number < minimum || number > maximum) return fail(`${number} is not in the range ${minimum} to ${maximum}`)
      return number
    },
  }
}

export function oneOf(...values: readonly (string | number)[]): AttributeType {
  return {
    schema: { enum: values },
    parse(value) {
      const found = values.find((each) => each === value || String(each) === value)
      return found ?? fail(`${show(value)} is not one of ${values.join(', ')}`)
    },
  }
}

export function nullable(type: AttributeType): AttributeType {
  return {
    schema: { oneOf: [type.schema, { type: 'null' }] },
    parse: (value) => (value === null ? null : type.parse(value)),
    fromText: (value) => (value === '' || value === 'None' || value === 'null' ? null : fromText(type, value)),
  }
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const uuid: AttributeType = {
  schema: { type: 'string', format: 'uuid' },
  parse(value) {
    if (typeof value !== 'string' || !uuidPattern.test(value)) return fail(`${show(value)} is not a valid UUID`)
    return value.toLowerCase()
  },
  // A filter by an id that cannot exist finds nothing, as in Neutron.
  fromText: (value) => value.toLowerCase(),
}

export const ipAddress: AttributeType = {
  schema: { type: 'string', format: 'ip' },
  parse(value) {
    const ip = typeof value === 'string' ? parseIp(value) : undefined
    return ip ? formatIp(ip.version, ip.value) : fail(`${show(value)} is not a valid IP address`)
  },
}

export const cidr: AttributeType = {
  schema: { type: 'string', format: 'cidr' },
  parse(value) {
    const network = typeof value === 'string' ? parseCidr(value) : undefined
    return network ? formatCidr(network) : fail(`${show(value)} is not a valid IP subnet`)
  },
}

/** An address stands for itself alone; bits beyond the prefix are cleared. */
export const ipPrefix: AttributeType = {
  schema: { type: 'string', format: 'cidr' },
  parse: (value) =>
    cidr.parse(
      typeof value === 'string' && !value.includes('/') ? `${value}/${value.includes(':') ? 128 : 32}` : value,
    ),
}

export const ipOrCidr: AttributeType = {
  schema: { type: 'string' },
  parse: (value) => (typeof value === 'string' && value.includes('/') ? cidr : ipAddress).parse(value),
}

export const mac: AttributeType = {
  schema: { type: 'string', format: 'mac' },
  parse(value) {
    const address = typeof value === 'string' ? parseMac(value) : undefined
    if (!address || address === '00:00:00:00:00:00') return fail(`${show(value)} is not a valid MAC address`)
    if (isMulticastMac(address)) return fail(`${show(value)} is a multicast MAC address`)
    return address
  },
}

export interface Field {
  readonly type: AttributeType
  readonly optional?: true
}

/** A JSON object with exactly these fields. */
export function record(fields: Readonly<Record<string, Field>>): AttributeType {
  const required = Object.keys(fields).filter((name) => !fields[name]?.optional)
  return {
    schema: {
      type: 'object',
      required,
      additionalProperties: false,
      properties: Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, type.schema])),
    },
    parse(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return fail(`${show(value)} is not a dictionary`)
      }
      const given = value as Record<string, unknown>
      const unknown = Object.keys(given).filter((name) => !Object.hasOwn(fields, name))
      if (unknown.length > 0) return fail(`unexpected key(s) '${unknown.join("', '")}'`)
      const missing = required.filter((name) => given[name] === undefined)
      if (missing.length > 0) return fail(`missing key(s) '${missing.join("', '")}'`)
      return Object.fromEntries(
        Object.entries(fields).flatMap(([name, { type }]) =>
          given[name] === undefined ? [] : [[name, within(name, () => type.parse(given[name]))]],
        ),
      )
    },
  }
}

function within<T>(place: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof InvalidValue) throw new InvalidValue(`${place}: ${error.message}`)
    throw error
  }
}

/** An unordered list: two equal items are a mistake of the caller. `null` means none. */
export function listOf(type: AttributeType, maximum = 1000): AttributeType {
  return {
    schema: { type: 'array', items: type.schema, maxItems: maximum },
    parse(value) {
      if (value === null) return []
      if (!Array.isArray(value)) return fail(`${show(value)} is not a list`)
      if (value.length > maximum) return fail(`the list has ${value.length} items, more than ${maximum}`)
      const items = value.map((item) => type.parse(item))
      const texts = items.map((item) => JSON.stringify(item))
      const twice = texts.find((each, i) => texts.indexOf(each) !== i)
      return twice === undefined ? items : fail(`duplicate items in the list: ${twice}`)
    },
    // A list is filtered by one of its items.
    fromText: (item) => fromText(type, item),
  }
}

/** Any JSON object, kept as it is, up to this many characters. */
export function freeObject(maximumLength: number): AttributeType {
  return {
    schema: { type: 'object' },
    parse(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return fail(`${show(value)} is not a dictionary`)
      }
      return JSON.stringify(value).length <= maximumLength ? value : fail(`longer than ${maximumLength} characters`)
    },
  }
}

export function refined(type: AttributeType, check: (value: unknown) => string | undefined): AttributeType {
  return {
    ...type,
    parse(value) {
      const parsed = type.parse(value)
      const reason = check(parsed)
      return reason === undefined ? parsed : fail(reason)
    },
  }
}

export const fromText = (type: AttributeType, value: string): unknown =>
  type.fromText ? type.fromText(value) : type.parse(value)
