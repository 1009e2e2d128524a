using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace Example.Scheduling
{
    public interface IClock
    {
        DateTime Now { get; }
    }

    public sealed class Appointment
    {
        public Appointment(string title, DateTime start, TimeSpan length)
        {
            Title = title ?? throw new ArgumentNullException(nameof(title));
            Start = start;
            Length = length;
        }

        public string Title { get; }
        public DateTime Start { get; }
        public TimeSpan Length { get; }
        public DateTime End => Start + Length;

        public bool Overlaps(Appointment other) => Start < other.End && other.Start < End;
    }

    public class Calendar
    {
        private readonly List<Appointment> _appointments = new List<Appointment>();
        private readonly IClock _clock;

        public event EventHandler<Appointment> Added;

        public Calendar(IClock clock)
        {
            _clock = clock;
        }

        public bool TryAdd(Appointment appointment, out string problem)
        {
            var clash = _appointments.FirstOrDefault(other => other.Overlaps(appointment));
            if (clash != null)
            {
                problem = $"'{appointment.Title}' overlaps '{clash.Title}' at {clash.Start:HH:mm}";
                return false;
            }
            if (appointment.Start < _clock.Now)
            {
                problem = "the start is in the past";
                return false;
            }
            _appointments.Add(appointment);
            Added?.Invoke(this, appointment);
            problem = null;
            return true;
        }

        public IEnumerable<Appointment> On(DateTime day)
        {
            foreach (var appointment in _appointments.OrderBy(a => a.Start))
            {
                if (appointment.Start.Date == day.Date)
                {
                    yield return appointment;
                }
            }
        }

        public async Task<int> RemindAsync(Func<Appointment, Task> send, TimeSpan ahead)
        {
            var now = _clock.Now;
            var due = _appointments.Where(a => a.Start > now && a.Start - now <= ahead).ToList();
            foreach (var appointment in due)
            {
                await send(appointment);
            }
            return due.Count;
        }
    }
}
