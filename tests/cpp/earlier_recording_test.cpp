// EarlierRecording: a recording is out of the way while a new one is begun, and never lost.
// tests/python/test_record_replaced.py has the heaps that are refused meanwhile.

#include "trace/earlier_recording.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "trace/layout.hpp"

namespace glassheap::trace {
namespace {

namespace fs = std::filesystem;

class EarlierRecordingTest : public testing::Test {
 protected:
  EarlierRecordingTest() { fs::create_directory(folder_); }
  ~EarlierRecordingTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.insert(entry.path().filename());
    return found;
  }
  // The reason why this file may not be replaced.
  [[nodiscard]] static int refusal(const std::string& path) {
    return EarlierRecording(path).set_aside();
  }

  const fs::path folder_ = testing::TempDir() + "glassheap-earlier-" + std::to_string(getpid());
  const std::string recording_ = std::string(magic.begin(), magic.end()) + "calls";
  const std::string path_ = (folder_ / "app.trace").string();
};

TEST_F(EarlierRecordingTest, IsPutBackWhereItWas) {
  write(path_, recording_);
  EarlierRecording earlier(path_);
  ASSERT_EQ(earlier.set_aside(), 0);
  EXPECT_EQ(names(), (std::set<std::string>{"app.trace.earlier"}));
  earlier.put_back();
  EXPECT_EQ(names(), (std::set<std::string>{"app.trace"}));
  EXPECT_EQ(contents(path_), recording_);
}

TEST_F(EarlierRecordingTest, IsRemovedWhenTheNewOneStays) {
  write(path_, recording_);
  EarlierRecording earlier(path_);
  ASSERT_EQ(earlier.set_aside(), 0);
  write(path_, "new");
  earlier.remove();
  earlier.put_back();  // does nothing any more
  EXPECT_EQ(names(), (std::set<std::string>{"app.trace"}));
  EXPECT_EQ(contents(path_), "new");
}

TEST_F(EarlierRecordingTest, StaysAsideIfAnotherFileHasItsName) {
  write(path_, recording_);
  EarlierRecording earlier(path_);
  ASSERT_EQ(earlier.set_aside(), 0);
  write(path_, "of another program");
  earlier.put_back();
  EXPECT_EQ(contents(path_), "of another program");
  EXPECT_EQ(contents(at("app.trace.earlier")), recording_);
}

TEST_F(EarlierRecordingTest, TakesANameThatNoFileHas) {
  write(path_, recording_);
  write(at("app.trace.earlier"), "kept");
  fs::create_directory(at("app.trace.earlier.2"));
  EarlierRecording earlier(path_);
  ASSERT_EQ(earlier.set_aside(), 0);
  EXPECT_EQ(contents(at("app.trace.earlier")), "kept");
  EXPECT_EQ(contents(at("app.trace.earlier.3")), recording_);
}

TEST_F(EarlierRecordingTest, MayHaveTheLongestName) {
  const std::string path = at(std::string(255, 'n'));
  write(path, recording_);
  EarlierRecording earlier(path);
  ASSERT_EQ(earlier.set_aside(), 0);
  EXPECT_EQ(names(), (std::set<std::string>{std::string(247, 'n') + ".earlier"}));
  earlier.put_back();
  EXPECT_EQ(contents(path), recording_);
}

TEST_F(EarlierRecordingTest, MayBeMissingOrEmpty) {
  EXPECT_EQ(refusal(path_), 0);
  EXPECT_EQ(refusal("/none/of/these"), 0) << "the new file is refused there";
  EXPECT_TRUE(names().empty());
  write(path_, "");
  EXPECT_EQ(refusal(path_), 0);
}

TEST_F(EarlierRecordingTest, AnotherFileIsNone) {
  write(path_, "years of work");
  fs::create_symlink(path_, at("link"));
  EXPECT_EQ(refusal(path_), EEXIST);
  EXPECT_EQ(refusal(at("link")), EEXIST);
  EXPECT_EQ(refusal(folder_.string()), EEXIST);
  EXPECT_EQ(refusal("/dev/null"), EEXIST);
  EXPECT_EQ(contents(path_), "years of work");
}

TEST_F(EarlierRecordingTest, IsNotReplacedWhileItIsWritten) {
  write(path_, recording_);
  const int recorder = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(recorder, LOCK_EX), 0);
  EXPECT_EQ(refusal(path_), EBUSY);
  EXPECT_EQ(contents(path_), recording_);
  close(recorder);
  EXPECT_EQ(refusal(path_), 0);
}

}  // namespace
}  // namespace glassheap::trace
