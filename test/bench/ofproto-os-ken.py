# os-ken doing what test/bench/ofproto.ts does with the same messages. Reads one JSON object of hex from standard input,
# prints one JSON object: medians in nanoseconds per operation, and the flow_mod that it encoded.
import json, statistics, sys, time
from os_ken.ofproto import ofproto_parser, ofproto_protocol
from os_ken.ofproto import ofproto_v1_3 as ofp, ofproto_v1_3_parser as parser

given = json.load(sys.stdin)
datapath = ofproto_protocol.ProtocolDesc(version=ofp.OFP_VERSION)


def median(work, count, samples=7):
    work()
    times = []
    for _ in range(samples):
        start = time.perf_counter_ns()
        for _ in range(count):
            work()
        times.append((time.perf_counter_ns() - start) / count)
    return statistics.median(times)


match = parser.OFPMatch(in_port=1, eth_type=0x0800, ip_proto=6, ipv4_src=("10.0.0.0", "255.0.0.0"),
                        ipv4_dst="192.168.1.7", tcp_dst=80)
actions = [parser.OFPActionSetField(eth_dst="0a:00:00:00:00:01"), parser.OFPActionDecNwTtl(),
           parser.OFPActionOutput(2, 0)]
instructions = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)]
flow_mod = parser.OFPFlowMod(datapath, cookie=0x1234, table_id=3, priority=100, out_port=ofp.OFPP_ANY,
                             out_group=ofp.OFPG_ANY, match=match, instructions=instructions)
flow_mod.set_xid(7)


def decode(frame):
    version, kind, length, xid = ofproto_parser.header(frame)
    return ofproto_parser.msg(datapath, version, kind, length, xid, frame)


def decode_stream(stream):
    """As os_ken.controller.controller.Datapath._recv_loop cuts a chunk."""
    at = 0
    while len(stream) - at >= ofp.OFP_HEADER_SIZE:
        version, kind, length, xid = ofproto_parser.header(stream[at:at + ofp.OFP_HEADER_SIZE])
        ofproto_parser.msg(datapath, version, kind, length, xid, stream[at:at + length])
        at += length


packet_in = bytes.fromhex(given["packet_in"])
streams = {name: bytes.fromhex(stream) for name, stream in given["streams"].items()}
result = {
    "flow_mod": median(flow_mod.serialize, 300),
    "packet_in": median(lambda: decode(packet_in), 300),
    "streams": {name: median(lambda: decode_stream(stream), 1, 5) for name, stream in streams.items()},
    "bytes": bytes(flow_mod.buf).hex(),
}
json.dump(result, sys.stdout)
