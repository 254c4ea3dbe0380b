// IP protocols as rules of security groups name them (Neutron's names, IANA's numbers).
import { protocolNumbers } from '../../packet/protocols.ts'

const aliases: Readonly<Record<string, string>> = { icmpv6: 'ipv6-icmp', icmp6: 'ipv6-icmp' }
/** 0 too, as in Neutron: as a protocol it would be IPv6's hop-by-hop header, which no rule can match. */
const any: ReadonlySet<string> = new Set(['any', 'ip', '0'])
const names = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name]))

/** The one spelling that is stored: null for any, a name where there is one, else the number; undefined for nonsense. */
export function canonicalProtocol(text: string): string | null | undefined {
  const word = text.toLowerCase()
  if (any.has(word)) return null
  if (/^\d{1,3}$/.test(word)) {
    const number = Number(word)
    return number > 255 ? undefined : (names.get(number) ?? String(number))
  }
  const name = aliases[word] ?? word
  return Object.hasOwn(protocolNumbers, name) ? name : undefined
}
