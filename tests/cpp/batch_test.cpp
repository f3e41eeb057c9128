// malloc_many and free_many: the same as single calls, or, refused, the same as no call at all.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "drawing.hpp"
#include "effort.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

class Batch : public EveryPolicy {
 protected:
  // A region in which a batch of sixty may fit behind perforate(), and may not.
  static Size tight() { return cuts_anywhere(options()) ? 2048 : 4096; }

  // A heap with holes of several sizes.
  static void perforate(Rig& rig) {
    std::vector<Address> payloads;
    for (Size i = 0; i < 24; ++i) payloads.push_back(rig.malloc(i * 11 % 90));
    for (std::size_t i = 0; i < 24; i += 2) rig.free(payloads[i]);
  }
  static std::vector<Address> many(Rig& rig, const std::vector<Size>& sizes) {
    std::vector<Address> addresses(sizes.size());
    EXPECT_TRUE(rig.granted([&](Fault& f) { return rig->malloc_many(sizes, addresses, f); }));
    return addresses;
  }
  static void free_many(Rig& rig, std::vector<Address> addresses) {
    EXPECT_TRUE(rig.granted([&](Fault& f) { return rig->free_many(addresses, f); }));
  }
  static Fault refused_many(Rig& rig, const std::vector<Size>& sizes) {
    std::vector<Address> addresses(sizes.size());
    return rig.refused([&](Fault& f) { EXPECT_FALSE(rig->malloc_many(sizes, addresses, f)); });
  }
  static Fault refused_free_many(Rig& rig, std::vector<Address> addresses) {
    return rig.refused([&](Fault& f) { EXPECT_FALSE(rig->free_many(addresses, f)); });
  }
  // Bytes all over the free memory, which a refused batch must put back too.
  static void litter(Rig& rig) {
    for (const FreeBlock& hole : rig.free_list())
      std::memset(rig.at(hole.address) + 16, 0xAB, hole.size + front() - 16);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Batch, ::testing::ValuesIn(variants()), by_name);

class RefusedBatch : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, RefusedBatch, ::testing::ValuesIn(variants()), by_name);
INSTANTIATE_TEST_SUITE_P(Sequences, RefusedBatch, ::testing::ValuesIn(all_sequences()), by_name);

class ShortBatch : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, ShortBatch, ::testing::ValuesIn(variants()), by_name);
INSTANTIATE_TEST_SUITE_P(Watched, ShortBatch, ::testing::ValuesIn(watched_variants()), by_name);

class BatchOfHeaders : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, BatchOfHeaders, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

class LargeBatch : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, LargeBatch, ::testing::ValuesIn(variants(joins_back)), by_name);

TEST_P(Batch, GivesTheAddressesThatSingleCallsGive) {
  Options counted_from_0 = options();
  counted_from_0.base = 0;
  Rig one(counted_from_0);
  Rig all(counted_from_0);
  perforate(one);
  perforate(all);
  const std::vector<Size> sizes = {40, 0, 100, 16, 16, 300, 5, 64, 1};
  std::vector<Address> singles;
  for (const Size size : sizes) singles.push_back(one.malloc(size));
  EXPECT_EQ(many(all, sizes), singles);
  EXPECT_EQ(all.walk(), one.walk());
  EXPECT_EQ(all.stats().mallocs, one.stats().mallocs);
  EXPECT_EQ(all.stats().peak_used, one.stats().peak_used);
}

TEST_P(Batch, OfNothingDoesNothing) {
  Rig rig(options());
  const Snapshot before(*rig);
  EXPECT_TRUE(many(rig, {}).empty());
  free_many(rig, {});
  free_many(rig, {0, 0, 0});
  EXPECT_EQ(Snapshot(*rig), before);
}

// Whole or not at all, wherever in the batch the request stands that cannot be served.
TEST_P(RefusedBatch, ChangesNothing) {
  Rig rig(options());
  perforate(rig);
  for (std::size_t at = 0; at < 12; ++at) {
    std::vector<Size> sizes(12, 20);
    sizes[at] = 4096;
    const Fault fault = refused_many(rig, sizes);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.shortage.requested, 4096U);
    EXPECT_EQ(fault.index, at);
  }
  EXPECT_EQ(rig.stats().failures, 12U);
}

// Nothing of the batch is left in the figures: they are of the heap that the caller has again.
TEST_P(ShortBatch, SaysWhatIsThereOnceItWasTakenBack) {
  Rig rig(options());
  perforate(rig);
  const Stats there = rig.stats();
  const std::vector<Size> hopeless = {8, 20, 5000};
  const std::vector<Size> crowded = {8, there.largest_free, there.largest_free};
  for (const std::vector<Size>& sizes : {hopeless, crowded}) {
    const Fault fault = refused_many(rig, sizes);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.shortage.requested, sizes[fault.index]);
    EXPECT_EQ(fault.shortage.available, there.available);
    EXPECT_EQ(fault.shortage.largest, there.largest_free);
    EXPECT_EQ(fault.shortage.free_blocks, there.free_blocks);
    EXPECT_EQ(sentence(fault).find("in the batch") == std::string::npos, sizes == hopeless);
  }
}

// The next block's serial is part of what is unchanged, though no byte shows it before.
TEST_P(BatchOfHeaders, ThatDoesNotFitTakesNoSerials) {
  Rig rig(options());
  rig.malloc(16);
  EXPECT_EQ(refused_many(rig, {10, 20, 30, 5000}).kind, FaultKind::out_of_memory);
  EXPECT_EQ(rig.info(rig.malloc(16)).serial, 2U);
}

TEST_P(RefusedBatch, PutsBackWhatWasInFreeMemory) {
  Rig rig(options());
  perforate(rig);
  litter(rig);
  EXPECT_EQ(refused_many(rig, {20, 0, 40, 16, 100, 500, 4000}).kind, FaultKind::out_of_memory);
  EXPECT_EQ(refused_many(rig, std::vector<Size>(1000, 0)).kind, FaultKind::out_of_memory);
  EXPECT_EQ(refused_many(rig, {10, ~Size{0}}).kind, FaultKind::out_of_memory);
}

TEST_P(RefusedBatch, PutsBackWhatWasInFreeMemoryAlsoWithZeroOnFree) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  Rig rig(zeroing);
  perforate(rig);
  litter(rig);
  EXPECT_EQ(refused_many(rig, {20, 0, 40, 16, 100, 500, 4000}).kind, FaultKind::out_of_memory);
}

// Not only the bytes: a twin that never saw the batch goes on as the heap does that refused it.
TEST_P(RefusedBatch, LeavesNoTraceInWhatComesNext) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(effort(60, 10)); ++seed) {
    std::mt19937 random(seed);
    Options based = options(tight());
    based.base = 16;
    Rig rig(based);
    Rig twin(based);
    perforate(rig);
    perforate(twin);
    for (int step = 0; step < 30; ++step) {
      refused_many(rig, {random() % 200, random() % 100, random() % 50, random() % 200, 5000});
      const Size size = random() % 100;
      Fault fault;
      ASSERT_EQ(rig->malloc(size, 16, fault), twin->malloc(size, 16, fault)) << seed;
      ASSERT_EQ(rig.free_list(), twin.free_list()) << seed;
    }
    EXPECT_TRUE(rig.check().empty());
  }
}

TEST_P(RefusedBatch, IsRefusedOrServedAsRandomDemandsHaveIt) {
  int refused = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Rig rig(options(tight()));
    perforate(rig);
    if (seed % 2 == 0) litter(rig);
    std::vector<Size> sizes(random() % 60);
    for (Size& size : sizes) size = random() % 80;
    const Snapshot before(*rig);
    std::vector<Address> addresses(sizes.size());
    Fault fault;
    const bool served = rig->malloc_many(sizes, addresses, fault);
    ASSERT_TRUE(served || Snapshot(*rig) == before) << seed;
    ASSERT_TRUE(rig.check().empty()) << seed;
    refused += served ? 0 : 1;
  }
  EXPECT_GT(refused, 10);
  EXPECT_LT(refused, 190);
}

TEST_P(Batch, FreesInAnyOrderAndSkipsNull) {
  Rig rig(options(65536));
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Address> addresses = many(rig, {10, 20, 0, 30, 40, 0, 50});
    addresses.insert(addresses.begin() + 3, 2, 0);
    std::shuffle(addresses.begin(), addresses.end(), random);
    free_many(rig, addresses);
    ASSERT_NO_FATAL_FAILURE(expect_all_free(rig));
  }
  EXPECT_EQ(rig.stats().frees, 350U);
}

// One wrong address, of any kind and at any place in the batch: no block is freed.
TEST_P(Batch, WithOneWrongAddressFreesNothing) {
  Rig rig(options());
  const std::vector<Address> good = many(rig, {10, 20, 30, 40});
  const Address gone = rig.malloc(50);
  rig.free(gone);
  const std::vector<std::pair<Address, FaultKind>> wrongs = {
      {gone, FaultKind::double_free},
      {good[2] + 16, FaultKind::interior_pointer},
      {good[2] + 1, FaultKind::misaligned_pointer},
      {rig->base() - 16, FaultKind::foreign_pointer},
  };
  for (const auto& [wrong, kind] : wrongs) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), wrong);
      const Fault fault = refused_free_many(rig, addresses);
      EXPECT_EQ(fault.kind, kind);
      EXPECT_EQ(fault.address, wrong);
      EXPECT_EQ(fault.index, at);
    }
  }
  free_many(rig, good);
}

TEST_P(Batch, ThatNamesABlockTwiceFreesNothing) {
  Rig rig(options());
  const std::vector<Address> good = many(rig, {10, 20, 30, 40});
  for (const Address twice : good) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), twice);
      const Fault fault = refused_free_many(rig, addresses);
      EXPECT_EQ(fault.kind, FaultKind::double_free);
      EXPECT_EQ(fault.address, twice);
    }
  }
}

// The damage that one free of many would meet is met before any of them.
TEST_P(BatchOfHeaders, ThatWouldMeetDamageFreesNothing) {
  Rig rig(options());
  const std::vector<Address> good = many(rig, {10, 20, 30, 40});
  rig.at(good[3])[-8] ^= std::byte{1};
  const Fault fault = refused_free_many(rig, good);
  EXPECT_EQ(fault.kind, FaultKind::bad_magic);
  EXPECT_EQ(fault.offset, good[3] - 16 - rig->base());
  EXPECT_EQ(fault.index, 3U);
  EXPECT_EQ(refused_free_many(rig, {good[0]}).kind, FaultKind::heap_damaged);
  EXPECT_EQ(refused_many(rig, {1}).kind, FaultKind::heap_damaged);
}

TEST_P(LargeBatch, OfAMillionComesAndGoes) {
  Rig rig(options(Size{64} << 20));
  std::vector<Size> sizes(1000000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 33;
  free_many(rig, many(rig, sizes));
  expect_all_free(rig);
}

}  // namespace
}  // namespace glassheap
