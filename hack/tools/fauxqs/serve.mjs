// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Serves SQS on 127.0.0.1:PORT for tests, and prints "ready". What is in its queues survives a kill in the folder DATA; without
// DATA it is in memory. The package's own command listens on every interface, and its own start too; hence the parts.
import { buildApp } from './node_modules/fauxqs/dist/app.js';
import { PersistenceManager } from './node_modules/fauxqs/dist/persistence.js';
import { S3Store } from './node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from './node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsQueue, SqsStore } from './node_modules/fauxqs/dist/sqs/sqsStore.js';

const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
if (process.env.DATA) {
  const disk = new PersistenceManager(process.env.DATA);
  disk.db.exec('PRAGMA synchronous = OFF'); // processes are killed here, not machines
  // Its own statement sets the count of receives to NULL, which the table refuses: a message that is given back would be lost.
  const ready = disk.db.prepare('UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?');
  disk.updateMessageReady = (id) => ready.run(id);
  // It deletes dead letters before it copies them: a kill in between must not lose them.
  const dequeue = SqsQueue.prototype.dequeue;
  SqsQueue.prototype.dequeue = function (...options) {
    let got;
    disk.transaction(() => { got = dequeue.apply(this, options); });
    return got;
  };
  disk.load(stores.sqsStore, stores.snsStore, stores.s3Store);
  for (const store of Object.values(stores)) store.persistence = disk;
  for (const queue of stores.sqsStore.allQueues()) queue.persistence = disk;
}
const app = buildApp({ logger: false, host: 'localhost', stores });
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
console.log('ready');
