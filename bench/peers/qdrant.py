"""qdrant-edge as a peer of `pnpm bench engine`: reads rows, answers commands on stdin.

Arguments: rows, queries (float32), dim, metric, folder. Commands: build -> milliseconds;
search EF SHARE LANES -> milliseconds, then the ten rows of each query (-1 for none). SHARE is the
bound of the payload field `bucket`, a number from 0 to 999 for each row; 1000 is no filter.
"""

import array
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import qdrant_edge as q


def floats(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return values



rows, queries = floats(sys.argv[1]), floats(sys.argv[2])
dim, metric, folder = int(sys.argv[3]), sys.argv[4], sys.argv[5]
count = len(rows) // dim
asked = [queries[at : at + dim].tolist() for at in range(0, len(queries), dim)]
distance = q.Distance.Euclid if metric == "l2" else q.Distance.Cosine
config = q.EdgeConfig(
    vectors=q.EdgeVectorParams(size=dim, distance=distance),
    hnsw_config=q.HnswIndexConfig(m=16, ef_construct=200, full_scan_threshold=10_000),
    quantization_config=q.ScalarQuantizationConfig(type=q.ScalarType.Int8, always_ram=True),
    optimizers=q.EdgeOptimizersConfig(
        default_segment_number=1, max_segment_size=10_000_000, indexing_threshold=1_000
    ),
)
shard = q.EdgeShard.create(folder, config)
pool = ThreadPoolExecutor(8)


def build():
    for at in range(0, count, 1_000):
        points = [
            q.Point(
                id=row + 1,
                vector=rows[row * dim : (row + 1) * dim].tolist(),
                payload={"bucket": ((((row + 1) * 0x9E3779B1) & 0xFFFFFFFF) >> 8) * 1000 >> 24},
            )
            for row in range(at, min(count, at + 1_000))
        ]
        shard.update(q.UpdateOperation.upsert_points(points))
    index = q.UpdateOperation.create_field_index("bucket", q.PayloadSchemaType.Integer)
    shard.update(index)
    shard.optimize()
    shard.flush()


def search(ef, share, lanes):
    must = q.FieldCondition(key="bucket", range=q.RangeFloat(lt=float(share)))
    condition = None if share >= 1_000 else q.Filter(must=[must])
    params = q.SearchParams(
        hnsw_ef=ef, quantization=q.QuantizationSearchParams(rescore=True)
    )

    def one(vector):
        request = q.QueryRequest(
            limit=10,
            query=q.Query.Nearest(vector),
            with_vector=False,
            with_payload=False,
            filter=condition,
            params=params,
        )
        return [point.id - 1 for point in shard.query(request)]

    found = pool.map(one, asked) if lanes > 1 else map(one, asked)
    return [row for hits in found for row in (hits + [-1] * 10)[:10]]


for line in sys.stdin:
    words = line.split()
    started = time.perf_counter()
    found = build() or [] if words[0] == "build" else search(*map(int, words[1:]))
    milliseconds = (time.perf_counter() - started) * 1000
    print(f"{milliseconds:.3f}", *found, flush=True)
