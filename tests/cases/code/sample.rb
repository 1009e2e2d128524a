# frozen_string_literal: true

require "json"
require "optparse"
require_relative "lib/version"

module Report
  class Error < StandardError; end

  # One line of a log.
  class Entry
    attr_reader :time, :level, :message

    LEVELS = %w[debug info warn error].freeze
    PATTERN = /\A(?<time>\S+) (?<level>\w+): (?<message>.*)\z/

    def self.parse(line)
      match = PATTERN.match(line.chomp)
      raise Error, "cannot read #{line.inspect}" unless match

      new(match[:time], match[:level].downcase, match[:message])
    end

    def initialize(time, level, message)
      @time = time
      @level = level
      @message = message
    end

    def severe?
      LEVELS.index(level).to_i >= LEVELS.index("warn")
    end

    def to_h
      { time: time, level: level, message: message }
    end
  end

  class Summary
    def initialize(entries)
      @entries = entries
    end

    def counts
      @entries.group_by(&:level).transform_values(&:size)
    end

    def each_severe
      return enum_for(:each_severe) unless block_given?

      @entries.each do |entry|
        next unless entry.severe?

        yield entry
      end
    end

    def render(format)
      case format
      when :json
        JSON.pretty_generate(@entries.map(&:to_h))
      when :text
        counts.map { |level, count| "#{level.ljust(6)} #{count}" }.join("\n")
      else
        raise ArgumentError, "unknown format #{format}"
      end
    end
  end

  def self.run(argv)
    options = { format: :text }
    OptionParser.new do |parser|
      parser.on("--json", "print JSON") { options[:format] = :json }
    end.parse!(argv)
    entries = argv.flat_map { |path| File.readlines(path).map { |line| Entry.parse(line) } }
    puts Summary.new(entries).render(options[:format])
  rescue Errno::ENOENT => e
    warn "report: #{e.message}"
    exit 1
  ensure
    $stdout.flush
  end
end

Report.run(ARGV) if $PROGRAM_NAME == __FILE__
