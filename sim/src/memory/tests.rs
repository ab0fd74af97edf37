use super::*;

fn machines() -> [Machine; 2] {
    let model = |model| {
        let tiny = hw::presets::load("tiny").unwrap();
        Machine { memory: hw::machine::Memory { model, ..tiny.memory }, ..tiny }
    };
    [
        model(MemoryModel::Fixed { read_latency: 2, write_latency: 2 }),
        model(MemoryModel::Random {
            seed: 7,
            min_latency: 2,
            max_latency: 30,
            ready_percent: 50,
            beat_percent: 60,
        }),
    ]
}

fn burst(beats: u64) -> Burst {
    Burst { addr: 64 * (beats as u32 * 37 % 1024), beats: beats as u32 }
}

#[test]
fn answers_are_causal_and_in_order() {
    for machine in machines() {
        let mut memory = Memory::new(&machine);
        let (mut at, mut written) = (Vec::new(), 0);
        for i in 0..200 {
            let accepted = memory.ready_at(Channel::Load, 3 * i);
            let from = at.len();
            memory.read(Port::Load, burst(1 + i % 16), accepted, &mut at);
            assert!(at[from] >= accepted + 2);
            let response = memory.write_done(burst(1 + i % 16), 5 * i);
            assert!(response > written && response >= 5 * i + 2);
            written = response;
        }
        assert!(at.is_sorted_by(|a, b| a < b), "{:?}", machine.memory.model);
    }
}

#[test]
fn the_advance_by_burst_equals_the_advance_by_beat() {
    for machine in machines() {
        let (mut beats, mut bursts) = (Memory::new(&machine), Memory::new(&machine));
        for i in 0..200 {
            let mut at = Vec::new();
            beats.read(Port::Fetch, burst(1 + i % 9), i * 2, &mut at);
            assert_eq!(at.last().copied(), Some(bursts.read_last(Port::Fetch, burst(1 + i % 9), i * 2)));
        }
    }
}

/// Steady or not, accepted at once or burst by burst: the answers are the same.
#[test]
fn the_advance_by_stream_equals_the_advance_by_burst() {
    for machine in machines() {
        let (mut bursts, mut streams) = (Memory::new(&machine), Memory::new(&machine));
        let (mut now, mut together) = (0, 0);
        for i in 0..500u64 {
            let (first, cycles) = (burst(1 + i % 16), [1 + i % 16, 1 + i % 7, 20][i as usize % 3]);
            let accepted = streams.read_stream(Port::Load, &Stream { first, accepted: now, cycles, most: 9 });
            for _ in 0..accepted.count {
                let free = bursts.read_free;
                let last = bursts.read_last(Port::Load, first, now);
                assert!(accepted.count == 1 || last + 1 == free + cycles);
                now += cycles;
            }
            assert_eq!(accepted.last + 1, bursts.read_free);
            together += accepted.count - 1;
        }
        let steady = matches!(machine.memory.model, MemoryModel::Fixed { .. });
        assert_eq!(together > 0, steady, "{together}");
    }
}

#[test]
fn readiness_is_as_frequent_as_stated() {
    let [_, random] = machines();
    let memory = Memory::new(&random);
    let ready = (0..10_000).filter(|c| memory.ready(Channel::Store, *c)).count();
    assert!((4_700..5_300).contains(&ready), "{ready}");
}
