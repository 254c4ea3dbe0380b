// `weft trace`: what happens to a packet, asked of a running controller (POST /v1/trace).
import { callApi, CLIENT_HELP, ClientError, clientOptions } from './client.ts'
import { CommandError, parse } from './command.ts'
import { formatTrace, type Trace } from './trace-text.ts'

const HELP = `usage: weft trace --from PORT --to PORT|ADDRESS [PACKET]     what becomes of a packet that a port sends
       weft trace --from PORT --dhcp
       weft trace --host HOST --flow FLOW                    the same for a packet as ovs-ofctl writes it

Follows the packet through the tables that the controller wants on the hosts, and names the flow, object and security
group rule that decides at each step. Ports are named by id or name. PACKET is a ping unless these say otherwise:

  --tcp PORT, --udp PORT, --sctp PORT     to this port
  --source-port PORT                      50000 unless given
  --icmp-type N, --icmp-code N
  --protocol NAME                         another IP protocol, by name or number
  --arp                                   who has the address?
  --ttl N                                 64 unless given
  --size N                                bytes of the frame, at least
  --state STATE                           new (unless given), established, reply: where in its connection it stands

  --live           also asks the hosts for what they have: differences, and packets counted by each flow
  -v, --verbose    with the actions of each flow
  --json           the answer as it is
${CLIENT_HELP}

weft trace --from web --to db --tcp 5432
weft trace --host compute1 --flow 'in_port=5,arp,arp_op=1,dl_src=fa:16:3e:00:00:05,arp_spa=10.0.0.5,arp_tpa=10.0.0.6'
`

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const options = {
  help: { type: 'boolean', short: 'h' },
  from: text,
  to: text,
  tcp: text,
  udp: text,
  sctp: text,
  protocol: text,
  arp: flag,
  dhcp: flag,
  'source-port': text,
  'icmp-type': text,
  'icmp-code': text,
  ttl: text,
  size: text,
  state: text,
  host: text,
  flow: text,
  live: flag,
  verbose: { type: 'boolean', short: 'v' },
  json: flag,
  ...clientOptions,
} as const

type Values = ReturnType<typeof parse<typeof options>>['values']

/** At most one way to say the protocol. */
function protocolOf(values: Values): object {
  const withPorts = (['tcp', 'udp', 'sctp'] as const).filter((name) => values[name] !== undefined)
  const others = (['arp', 'dhcp'] as const).filter((name) => values[name] === true)
  const named = values.protocol === undefined ? [] : [values.protocol]
  const all = [...withPorts, ...others, ...named]
  if (all.length > 1) throw new CommandError(`a packet is one of ${all.join(', ')}`)
  const [port] = withPorts
  return { ...(all[0] !== undefined && { protocol: all[0] }), ...(port && { destination_port: values[port] }) }
}

function bodyOf(values: Values): object {
  const given = {
    from: values.from,
    to: values.to,
    source_port: values['source-port'],
    icmp_type: values['icmp-type'],
    icmp_code: values['icmp-code'],
    ttl: values.ttl,
    size: values.size,
    state: values.state,
    host: values.host,
    flow: values.flow,
    live: values.live,
  }
  const present = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(present), ...protocolOf(values) }
}

export async function traceCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, options)
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  if (positionals.length > 0) throw new CommandError(`what is '${positionals[0]}'?`)
  if (values.from === undefined && values.flow === undefined) throw new CommandError('--from or --flow is needed')
  try {
    const answer = await callApi(values, 'POST', '/v1/trace', bodyOf(values))
    const shown =
      values.json === true ? JSON.stringify(answer, null, 2) : formatTrace(answer as Trace, values.verbose === true)
    process.stdout.write(`${shown}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    process.stderr.write(`weft trace: ${error.message}\n`)
    return 1
  }
}
