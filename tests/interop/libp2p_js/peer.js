// One js-libp2p node on the loopback interface. It says where it listens, then does what each line of stdin asks:
//   {"do": "dial", "address"}           -> {"peer", "protocols", "agent"}
//   {"do": "ping", "address"}           -> {"ping_ms"}
//   {"do": "subscribe", "topic"}        -> {"ok"}
//   {"do": "publish", "topic", "text"}  -> {"recipients"}
//   {"do": "mesh", "topic"}             -> {"mesh"}
// and says {"topic", "text"} of each message that gossip brings.
import './with_resolvers.js' // first: js-libp2p 3 expects a function that Node 20 does not have
import { createHash } from 'node:crypto'
import readline from 'node:readline'

const { createLibp2p } = await import('libp2p')
const { tcp } = await import('@libp2p/tcp')
const { noise } = await import('@chainsafe/libp2p-noise')
const { yamux } = await import('@chainsafe/libp2p-yamux')
const { identify } = await import('@libp2p/identify')
const { ping } = await import('@libp2p/ping')
const { gossipsub } = await import('@libp2p/gossipsub')
const { multiaddr } = await import('@multiformats/multiaddr')

// docs/spec/network.md, NET-20
function messageId (message) {
  const topic = Buffer.from(message.topic)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(topic.length)
  return new Uint8Array(createHash('sha256').update(length).update(topic).update(message.data).digest()).subarray(0, 20)
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    pubsub: gossipsub({ globalSignaturePolicy: 'StrictNoSign', msgIdFn: messageId, allowPublishToZeroTopicPeers: true })
  }
})

const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n')
const decoder = new TextDecoder()
node.services.pubsub.addEventListener('message', (event) =>
  say({ topic: event.detail.topic, text: decoder.decode(event.detail.data) }))

const actions = {
  async dial ({ address }) {
    // identify runs by itself once for each connection, and js-libp2p allows no second stream of it
    const identified = new Promise((resolve) => node.addEventListener('peer:identify', resolve, { once: true }))
    const connection = await node.dial(multiaddr(address))
    const known = (await identified).detail
    return { peer: connection.remotePeer.toString(), protocols: known.protocols, agent: known.agentVersion }
  },
  async ping ({ address }) {
    return { ping_ms: await node.services.ping.ping(multiaddr(address)) }
  },
  async subscribe ({ topic }) {
    node.services.pubsub.subscribe(topic)
    return { ok: true }
  },
  async publish ({ topic, text }) {
    const sent = await node.services.pubsub.publish(topic, new TextEncoder().encode(text))
    return { recipients: sent.recipients.length }
  },
  async mesh ({ topic }) {
    return { mesh: node.services.pubsub.getMeshPeers(topic).map(String) }
  }
}

say({ address: node.getMultiaddrs()[0].toString() })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  try {
    say({ answer: await actions[request.do](request) })
  } catch (error) {
    say({ answer: { error: String(error) } })
  }
}
process.exit(0)
