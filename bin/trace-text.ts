// A trace for people: a block for each host, a line for each table, then who decided and what became of the packet.

interface Reference {
  readonly kind: string
  readonly id: string
  readonly name: string
}
interface Flow {
  readonly priority: number
  readonly match: string
  readonly actions: string
  readonly app: string | null
  readonly object: Reference | null
  readonly live?: {
    readonly state: string
    readonly found: string | null
    readonly packets: number | null
  } | null
}
interface Step {
  readonly depth: number
  readonly table?: number
  readonly stage: string
  readonly flow?: Flow | null
  /** Of what a member sees of a flow. */
  readonly object?: Reference | null
  readonly registers?: readonly { readonly name: string; readonly value: string; readonly object: Reference | null }[]
  readonly notes?: readonly string[]
}
interface Tunnel {
  readonly vni: number
  readonly host: string | null
  readonly address: string
}
interface Host {
  readonly host?: string
  readonly ofport?: number | null
  readonly port?: Reference | null
  readonly physical_network?: string | null
  readonly tunnel?: Tunnel | null
  readonly packet?: string
  readonly steps: readonly Step[]
  readonly outputs?: readonly {
    readonly ofport: number
    readonly port: Reference | null
    readonly physical_network: string | null
    readonly tunnel: Tunnel | null
  }[]
  readonly controller?: readonly (string | null)[]
  readonly error?: string | null
}
interface Decision {
  readonly side: string
  readonly port: Reference | null
  readonly verdict: string
  readonly rule: { readonly id: string; readonly direction: string } | null
  readonly security_group: Reference | null
}
/** Where a packet got to: a port on a host, or what a member sees of one. */
type Place =
  | Reference
  | {
      readonly host: string
      readonly ofport: number
      readonly port: Reference | null
      readonly physical_network: string | null
    }
interface Outcome {
  readonly kind: string
  readonly reason: string
  readonly host?: string | null
  readonly stage: string | null
  readonly to: readonly Place[]
}
interface Way {
  readonly outcome: Outcome
  readonly decisions: readonly Decision[]
  readonly hosts: readonly Host[]
}
export interface Trace extends Way {
  readonly packet: string
  readonly unfollowed?: number
  readonly live?: Way & { readonly agrees: boolean; readonly unread: readonly string[] }
}

const titleOf = ({ kind, name, id }: Reference): string => `${kind.replaceAll('_', ' ')} ${name === '' ? id : name}`

function liveText({ live }: Flow): string {
  if (!live) return ''
  const packets = live.packets === null ? '' : `${live.packets} packets`
  if (live.state === 'installed') return packets
  return [live.state.toUpperCase(), packets, live.found && `instead: ${live.found}`].filter(Boolean).join(', ')
}

function stepRow({ depth, table, stage, flow, object, registers = [] }: Step): readonly string[] {
  const cause = flow?.object ?? object ?? null
  const set = registers.map(({ name, value, object: meant }) => `${name} ${meant?.name || (meant?.id ?? value)}`)
  const matched = flow === null ? 'no match' : flow === undefined ? '' : `${flow.priority} ${flow.match || 'any'}`
  return [
    `${table ?? ''}`.padStart(3),
    '  '.repeat(depth) + stage,
    matched,
    cause === null ? (flow?.app ?? '') : titleOf(cause),
    [...set, flow ? liveText(flow) : ''].filter(Boolean).join('; '),
  ]
}

const LONGEST = 90

/** Rows under each other; a column as wide as it needs, within reason. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, Math.min(cell.length, LONGEST))),
    [],
  )
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function hostLines(host: Host, verbose: boolean): string[] {
  const from = host.tunnel
    ? `by tunnel from ${host.tunnel.host ?? host.tunnel.address}, VNI ${host.tunnel.vni}`
    : host.ofport === null
      ? 'from the controller'
      : host.port
        ? `from ${titleOf(host.port)} (in_port ${host.ofport})`
        : `in_port ${host.ofport}`
  const rows = aligned(host.steps.map(stepRow))
  const steps = host.steps.flatMap(({ flow, notes = [] }, i) => [
    rows[i] ?? '',
    ...(verbose && flow ? [`       actions=${flow.actions}`] : []),
    ...notes.map((note) => `       ${note}`),
  ])
  const outputs = (host.outputs ?? []).map(({ tunnel, ...end }) =>
    tunnel
      ? `  => tunnel to ${tunnel.host ?? tunnel.address}, VNI ${tunnel.vni}`
      : `  => ${endText(end)} (output ${end.ofport})`,
  )
  const punted = (host.controller ?? []).map((app) => `  => the controller${app === null ? '' : `: ${app}`}`)
  const error = host.error ? [`  error: ${host.error}`] : []
  return [host.host === undefined ? 'on a host' : `${host.host}, ${from}`, ...steps, ...outputs, ...punted, ...error]
}

const VERDICTS: Readonly<Record<string, string>> = {
  allow: 'allowed',
  deny: 'denied',
  reject: 'rejected',
  none: 'denied',
}

function decisionLine({ side, port, verdict, rule, security_group: group }: Decision): string {
  const who = rule
    ? `rule ${rule.id} (${rule.direction})`
    : verdict === 'none'
      ? 'no rule'
      : group
        ? 'traffic inside'
        : 'default'
  const of = group ? ` of ${titleOf(group)}` : ''
  return `${side}${port ? ` of ${titleOf(port)}` : ''}: ${VERDICTS[verdict] ?? verdict} by ${who}${of}`
}

function endText({ ofport, port, physical_network: physical }: Omit<Exclude<Place, Reference>, 'host'>): string {
  return port ? titleOf(port) : physical === null ? `port ${ofport}` : `physical network ${physical}`
}

const placeText = (place: Place): string => ('kind' in place ? titleOf(place) : `${endText(place)} on ${place.host}`)

function outcomeLine({ kind, reason, host, stage, to }: Outcome): string {
  const where = kind === 'delivered' && to.length > 0 ? ` to ${to.map(placeText).join(', ')}` : ''
  const at = stage !== null ? ` in ${stage}${host ? ` on ${host}` : ''}` : ''
  return `${kind}${where}${at}${where === '' ? `: ${reason}` : ''}`
}

const wayLines = ({ hosts, decisions, outcome }: Way, verbose: boolean): string[] => [
  ...hosts.flatMap((host) => [...hostLines(host, verbose), '']),
  ...decisions.map(decisionLine),
  outcomeLine(outcome),
]

export function formatTrace({ packet, unfollowed = 0, live, ...way }: Trace, verbose: boolean): string {
  const more = unfollowed === 0 ? [] : [`and ${unfollowed} copies to further hosts`]
  const lines = [packet, '', ...wayLines(way, verbose), ...more]
  if (live === undefined) return lines.join('\n')
  const unread = live.unread.map((host) => `${host} could not be asked`)
  const agreed = live.agrees && live.unread.length === 0 ? ['the hosts have these flows'] : []
  const differs = live.agrees
    ? []
    : ['', 'BY THE FLOWS THAT THE HOSTS HAVE, the packet goes otherwise:', ...wayLines(live, verbose)]
  return [...lines, ...unread, ...agreed, ...differs].join('\n')
}
